"""Joins time zones with the names of their countries: a pipeline step like any other."""

import csv
import sys

countries_path, zones_path, places_path = sys.argv[1:]


def rows(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                yield line.rstrip("\n").split("\t")


country_names = {code: name for code, name in rows(countries_path)}
with open(places_path, "w", encoding="utf-8", newline="") as out:
    places = csv.writer(out)
    places.writerow(["country", "zone", "coordinates"])
    for codes, coordinates, zone, *_ in rows(zones_path):
        for code in codes.split(","):
            places.writerow([country_names[code], zone, coordinates])
