"""Which pixels show the ground: cloud rules, s2cloudless, shadows."""
