"""Small programs that speak the supervisor's contract, to see it start, restart and stop them."""
