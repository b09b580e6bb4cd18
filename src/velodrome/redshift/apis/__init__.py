"""The AWS APIs of the warehouse: what drivers ask for temporary credentials and for its address."""
