"""What is handed out besides the pages: the book as a PDF, and a folder for a classroom without a network."""
