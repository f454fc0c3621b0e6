"""The report: tables, figures and one HTML page, made only of files that other stages wrote. Imports no torch."""
