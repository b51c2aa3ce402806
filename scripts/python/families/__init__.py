"""What scripts/make-family-goldens.py is made of."""
