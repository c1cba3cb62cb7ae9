"""How ground truth becomes a raster of classes on a region's grid, and which classes count as mining."""
