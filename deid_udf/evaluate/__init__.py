"""The paper's experiments on any folder of pictures: utility and privacy against blur and mosaic, recall by size."""
