"""Rules as data: config/rules/*.yaml, checked (language.py), compiled to SQL (compile.py), explained (explain.py).

Every rule works on facts (fields.py). Logic is three-valued: a comparison with an unknown fact is unknown, the
opposite of unknown is unknown, and a rule matches only when its condition is known to be true.
"""
