"""Writes quantities with their units."""


def celsius(degrees):
    return f"{degrees:.1f} °C"
