"""Building and running what a recipe says. The only part of imgfw that needs torch."""
