"""Our detections beside those of others: where both find mining, and where only one of them does."""
