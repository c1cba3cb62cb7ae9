"""What goes wrong with labels."""


class LabelError(ValueError):
    """A label that cannot be made of what was given; the message says what is wrong, where, and what to do."""
