"""What the DAG is made of; needs Airflow and `deid_udf` without its dependencies."""
