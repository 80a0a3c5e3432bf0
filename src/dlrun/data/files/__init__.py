"""Read files of rows and arrays: encoding, dialect, header, CSV, Parquet, JSON lines and NumPy."""
