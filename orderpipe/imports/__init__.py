"""Files: exports of any platform as CSV or Excel → raw payloads of kind `import`. Mapping and typing are SQL's."""
