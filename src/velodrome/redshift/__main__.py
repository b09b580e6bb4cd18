"""`python -m velodrome.redshift`: the warehouse, in the foreground."""

from velodrome.redshift.gateway import main

if __name__ == "__main__":
    main()
