"""Values that grow while their JSON arrives."""
