"""The dataset type `table`: rows of CSV and Parquet files with columns to predict."""
