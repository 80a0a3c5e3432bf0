"""The folds of a cross-validation: their record, their out-of-fold predictions, and their scores."""
