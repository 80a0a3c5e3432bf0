"""Files of rows and arrays: encoding, dialect, header, CSV, Parquet, NumPy."""
