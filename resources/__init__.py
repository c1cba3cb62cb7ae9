"""Where the outside world is configured; every resource hands out a domain object."""
