SELECT coalesce(lower(shop), 'review') AS decision, try_cast(shop AS INTEGER) > 3 AS "a b" FROM scored;
