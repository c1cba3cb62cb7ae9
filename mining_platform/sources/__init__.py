"""Where data comes from: one file a source, one protocol they keep, one router that picks a region's source."""
