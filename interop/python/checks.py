"""Runs every check: `checks.py WORK`, with MAKOTO naming the program."""

import sys

import check_canonical
import check_intoto
import check_records
import check_schema
import check_signatures
from harness import Failed


def main():
    # Records first: the other checks read every statement that was written until then.
    for module in (check_records, check_canonical, check_intoto, check_schema, check_signatures):
        for check in module.CHECKS:
            try:
                check()
            except Failed as failed:
                sys.exit(f"FAILED python: {module.__name__}.{check.__name__}: {failed}")


if __name__ == "__main__":
    main()
