"""Many scenes of one place as one image: recipes, reducers over days, composites."""
