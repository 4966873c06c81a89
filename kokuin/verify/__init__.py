"""Any bytes: recognise, judge, one Report; offline."""
