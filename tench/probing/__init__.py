"""What a linear model makes of the pooled features, in seconds: the mark for all that follows."""
