"""The page that people wait for once a year: new mining, where, on whose ground, and how sure that is."""
