"""Many pictures in one file: tar shards, Parquet and Arrow tables, sets of the Hugging Face Hub."""
