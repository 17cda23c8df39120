"""Mobile VLA: train, judge and deploy vision-language-action policies for mobile robots."""

__version__ = "0.1.0"
