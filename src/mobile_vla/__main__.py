"""`python -m mobile_vla`: the same commands as `mobile-vla`."""

from mobile_vla.cli.app import main

if __name__ == "__main__":
    main()
