"""What learning must beat: methods that were never trained and know nothing but the mixture."""
