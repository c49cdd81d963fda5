"""What the three training jobs share, and what only training needs: data, augmentation, losses, the loop.

Inference never imports this package.
"""
