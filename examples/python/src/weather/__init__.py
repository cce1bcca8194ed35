"""Tells the mean of some temperatures."""

import numpy
import units
import yaml


def main():
    days = yaml.safe_load("[20, 22, 24]")
    print("mean", units.celsius(numpy.mean(days)))
