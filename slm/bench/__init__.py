"""`slm bench`: measures training and generation on this machine, with baselines alongside."""
