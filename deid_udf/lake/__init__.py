"""The only room that knows Spark: tables, the UDF, allowances, the gate, and publishing."""
