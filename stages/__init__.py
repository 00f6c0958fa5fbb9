"""What the steps of a job do: one verb a file, effects only through the tools they are handed."""
