"""What several test files of the operator share."""
