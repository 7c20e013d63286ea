SELECT 'maybe' AS decision FROM scored
