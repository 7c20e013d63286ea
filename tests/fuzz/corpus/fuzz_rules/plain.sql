SELECT CASE WHEN amount > 90 THEN 'decline' WHEN score > 0.9 THEN 'review' ELSE 'approve' END AS decision,
  amount > 90 AS large, n > 3 AND shop LIKE 'a%' AS often, kind = 'b' AS of_kind FROM scored
