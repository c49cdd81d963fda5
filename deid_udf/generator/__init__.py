"""Pretrained face generators: their networks, their latent spaces, and how a policy names one."""
