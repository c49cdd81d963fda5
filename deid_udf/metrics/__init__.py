"""How much was protected (privacy) and how much was kept (utility): §5.2 of the paper."""
