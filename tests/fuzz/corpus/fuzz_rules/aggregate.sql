SELECT CASE WHEN count(*) > 3 THEN 'decline' END AS decision FROM scored
