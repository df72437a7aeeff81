module millrace/guests

go 1.24
