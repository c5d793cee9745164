"""Recipes for sets that may not be passed on: they run on the folders as published.

`RECIPES` has one function a set, which takes the folder, the folder of outputs, and whether only to
show that all works.
"""

from benchmarks.reproduce.recipes.chb_mit import chb_mit
from benchmarks.reproduce.recipes.sleep import shhs, sleep_edf
from benchmarks.reproduce.recipes.tuh import tuab, tuev

__all__ = ["RECIPES"]

RECIPES = {
    "tuab": tuab, "tuev": tuev, "chb_mit": chb_mit, "shhs": shhs, "sleep_edf": sleep_edf,
}  # fmt: skip
