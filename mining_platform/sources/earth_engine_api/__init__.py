"""What the Earth Engine source says to the service, and how."""
