SELECT y AS decision, sum(n) OVER () > 2 AS w FROM scored WHERE amount > 1
