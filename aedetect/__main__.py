"""Run the command line: `python -m aedetect`."""

from aedetect.cli import main

if __name__ == "__main__":
    main()
