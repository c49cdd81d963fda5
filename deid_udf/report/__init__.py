"""Pages and plots: one self-contained HTML file each, readable on a phone, by day and by night, without a network."""
