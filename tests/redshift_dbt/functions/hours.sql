select $1 / 60.0
