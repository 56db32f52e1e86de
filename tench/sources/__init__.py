"""Where data and weights come from outside, and whether what arrived is the right thing."""
