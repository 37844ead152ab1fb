"""What makes the results page, and what compares with other tools; the package never imports it. Run with ``make``."""
